;; A decision leaves a mark over the border of two pages. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i64.ne (i64.load align=1 (i32.const 69629)) (i64.const 0)) (then (return (global.get $stale))))
  (i64.store align=1 (i32.const 69629) (i64.const -1))
  (global.get $clean))
