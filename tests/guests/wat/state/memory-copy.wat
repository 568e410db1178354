;; A decision leaves a mark in memory by `memory.copy`. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load8_u (i32.const 2048)) (then (return (global.get $stale))))
  (memory.copy (i32.const 2048) (global.get $stale) (i32.const 8))
  (global.get $clean))
