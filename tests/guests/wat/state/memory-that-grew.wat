;; A decision leaves a mark in memory that it adds. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load (i32.mul (memory.grow (i32.const 1)) (i32.const 65536))) (then (return (global.get $stale))))
  (i32.store (i32.const 131072) (i32.const 1))
  (global.get $clean))
