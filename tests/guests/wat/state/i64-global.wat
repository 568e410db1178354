;; A decision leaves a mark in a global of type `i64`. Stopped by the fresh or reset instance of each decision.
(global $mark (mut i64) (i64.const 0))
(func $evaluate (result i32)
  (if (i64.ne (global.get $mark) (i64.const 0)) (then (return (global.get $stale))))
  (global.set $mark (i64.const -1))
  (global.get $clean))
