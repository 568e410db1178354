;; A storm of `memory.init`. Stopped by `deadline`.
(data $bytes "bytes")
(func $evaluate (result i32)
  (loop $forever
    (memory.init $bytes (i32.const 2048) (i32.const 0) (i32.const 5))
    (br $forever))
  (global.get $clean))
