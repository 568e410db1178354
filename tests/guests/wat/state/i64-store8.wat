;; A decision leaves a mark in memory by `i64.store8`. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load8_u (i32.const 2048)) (then (return (global.get $stale))))
  (i64.store8 (i32.const 2048) (i64.const 1))
  (global.get $clean))
