;; `evaluate` never ends. Stopped by `deadline`.
(func $evaluate (result i32)
  (loop $forever (br $forever))
  (global.get $clean))
