;; A decision leaves marks in memory by `memory.fill`. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load8_u (i32.const 2048)) (then (return (global.get $stale))))
  (memory.fill (i32.const 2048) (i32.const 1) (i32.const 60000))
  (global.get $clean))
