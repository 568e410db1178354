;; A function calls itself without end. Stopped by the stack limit of the engine.
(func $recurse (param i32) (result i32)
  (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
(func $evaluate (result i32)
  (drop (call $recurse (i32.const 0)))
  (global.get $clean))
