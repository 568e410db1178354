;; `configure` never ends. Stopped by `configure-deadline`.
(func $configure (param i32 i32) (result i32)
  (loop $forever (br $forever))
  (i32.const 0))
