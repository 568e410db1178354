;; A storm of `data.drop`. Stopped when it is loaded: the snapshot refuses the instruction.
(data $bytes "bytes")
(func $evaluate (result i32)
  (loop $forever
    (data.drop $bytes)
    (br $forever))
  (global.get $clean))
