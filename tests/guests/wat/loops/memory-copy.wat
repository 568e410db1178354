;; A storm of `memory.copy` over half of 16 MiB, each without an interruption. Stopped by `deadline`.
(memory $memory 256)
(func $evaluate (result i32)
  (loop $forever
    (memory.copy (i32.const 65536) (i32.const 8388608) (i32.const 8388608))
    (br $forever))
  (global.get $clean))
