;; A storm of `data.drop`. Stopped by `deadline`.
(data $bytes "bytes")
(func $evaluate (result i32)
  (loop $forever
    (data.drop $bytes)
    (br $forever))
  (global.get $clean))
