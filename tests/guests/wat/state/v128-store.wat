;; A decision leaves a mark in memory by `v128.store`. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i64.ne (i64.load offset=8 (i32.const 2048)) (i64.const 0)) (then (return (global.get $stale))))
  (v128.store (i32.const 2048) (v128.const i64x2 0 1))
  (global.get $clean))
