;; A decision leaves a mark in memory by `f32.store`. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i64.ne (i64.load (i32.const 2048)) (i64.const 0)) (then (return (global.get $stale))))
  (f32.store (i32.const 2048) (f32.const -1.5))
  (global.get $clean))
