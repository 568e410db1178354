;; A decision leaves a mark in the first byte of memory. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load8_u (i32.const 0)) (then (return (global.get $stale))))
  (i32.store8 (i32.const 0) (i32.const 1))
  (global.get $clean))
