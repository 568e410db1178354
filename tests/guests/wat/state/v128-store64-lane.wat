;; A decision leaves a mark in memory by `v128.store64_lane`. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load8_u (i32.const 2048)) (then (return (global.get $stale))))
  (v128.store64_lane 1 (i32.const 2048) (v128.const i64x2 0 -1))
  (global.get $clean))
