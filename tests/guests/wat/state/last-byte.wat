;; A decision leaves a mark in the last byte of memory. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load8_u (i32.const 131071)) (then (return (global.get $stale))))
  (i32.store8 (i32.const 131071) (i32.const 1))
  (global.get $clean))
