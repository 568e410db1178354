;; The answer is written over for the next decision. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (memory.copy (global.get $clean) (global.get $stale) (i32.const 0))
  (if (i32.load (i32.const 2048)) (then
    (memory.copy (global.get $clean) (global.get $stale) (i32.const 8))))
  (i32.store (i32.const 2048) (i32.const 1))
  (global.get $clean))
