;; A decision leaves a mark in memory by `memory.init`. Stopped by the fresh or reset instance of each decision.
(data $bytes "bytes")
(func $evaluate (result i32)
  (if (i32.load8_u (i32.const 2048)) (then (return (global.get $stale))))
  (memory.init $bytes (i32.const 2048) (i32.const 0) (i32.const 5))
  (global.get $clean))
