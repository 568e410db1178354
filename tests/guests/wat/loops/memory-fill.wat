;; A storm of `memory.fill` over all of 16 MiB, each without an interruption. Stopped by `deadline`.
(memory $memory 256)
(func $evaluate (result i32)
  (loop $forever
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 16711680))
    (br $forever))
  (global.get $clean))
