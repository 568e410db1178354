;; `evaluate` calls itself, as the host would. Stopped by the stack limit of the engine.
(func $evaluate (result i32)
  (i32.add (call $evaluate) (i32.const 1)))
