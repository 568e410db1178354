;; Each decision takes the next block of the heap, so that the address tells decisions apart. Stopped by the fresh or
;; reset instance of each decision.
(global $first (mut i32) (i32.const 0))
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (if (i32.eqz (global.get $first)) (then (global.set $first (local.get $request))))
  (if (i32.ne (global.get $first) (local.get $request)) (then (return (global.get $stale))))
  (global.get $clean))
