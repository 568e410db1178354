;; Memory grows to `memory-bytes` and all of it is written: that is allowed, and gone after the decision.
(func $evaluate (result i32)
  (if (i32.ne (memory.grow (i32.const 254)) (i32.const 2)) (then (return (global.get $stale))))
  (memory.fill (i32.const 131072) (i32.const 255) (i32.const 16646144))
  (global.get $clean))
