;; A storm of `memory.grow` beyond the maximum that the memory declares. Stopped by `deadline`.
(memory $memory 2 2)
(func $evaluate (result i32)
  (loop $forever
    (drop (memory.grow (i32.const 1)))
    (br $forever))
  (global.get $clean))
