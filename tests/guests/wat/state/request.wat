;; The block of a request is left in memory, and the next decision looks for it above its own. Stopped by the fresh or
;; reset instance of each decision.
(global $end (mut i32) (i32.const 98304))
(func $realloc (param i32 i32 i32 i32) (result i32)
  (global.set $end (i32.sub (global.get $end) (i32.add (local.get 3) (i32.const 64))))
  (global.get $end))
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (local $at i32)
  (local.set $at (i32.add (local.get $request) (local.get $length)))
  (loop $next
    (if (i32.load8_u (local.get $at)) (then (return (global.get $stale))))
    (br_if $next
      (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 90000))))
  (global.get $clean))
