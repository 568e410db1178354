;; A storm of `memory.grow` beyond the maximum that the memory declares. Stopped by `deadline`.
(memory $memory 2 8)
(func $evaluate (result i32)
  (loop $forever
    (drop (memory.grow (i32.const 7)))
    (br $forever))
  (global.get $clean))
