;; The function after each answer leaves a mark. Stopped by the fresh or reset instance of each decision.
(func $evaluate (result i32)
  (if (i32.load (i32.const 2048)) (then (return (global.get $stale))))
  (global.get $clean))
(func $post-return (param i32) (i32.store (i32.const 2048) (i32.const 1)))
