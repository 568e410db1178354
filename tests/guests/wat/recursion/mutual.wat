;; Two functions call each other without end. Stopped by the stack limit of the engine.
(func $ping (param i32) (result i32)
  (i32.add (call $pong (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
(func $pong (param i32) (result i32)
  (i32.mul (call $ping (i32.sub (local.get 0) (i32.const 1))) (local.get 0)))
(func $evaluate (result i32)
  (drop (call $ping (i32.const 0)))
  (global.get $clean))
