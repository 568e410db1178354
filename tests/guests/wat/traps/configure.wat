;; `configure` traps. Stopped when it is loaded.
(func $configure (param i32 i32) (result i32) (unreachable))
