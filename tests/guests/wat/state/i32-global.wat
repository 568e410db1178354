;; A decision leaves a mark in a global of type `i32`. Stopped by the fresh or reset instance of each decision.
(global $mark (mut i32) (i32.const 0))
(func $evaluate (result i32)
  (if (i32.ne (global.get $mark) (i32.const 0)) (then (return (global.get $stale))))
  (global.set $mark (i32.const -1))
  (global.get $clean))
