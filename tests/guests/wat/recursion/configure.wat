;; `configure` recurses without end. Stopped by the stack limit of the engine.
(func $recurse (param i32) (result i32)
  (i32.add (call $recurse (local.get 0)) (i32.const 1)))
(func $configure (param i32 i32) (result i32)
  (call $recurse (i32.const 0)))
