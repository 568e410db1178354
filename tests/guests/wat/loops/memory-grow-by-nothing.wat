;; A storm of `memory.grow` by no page, each a call into the host. Stopped by `deadline`.
(func $evaluate (result i32)
  (loop $forever
    (drop (memory.grow (i32.const 0)))
    (br $forever))
  (global.get $clean))
