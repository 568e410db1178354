;; The verdict has an effect that does not exist. Stopped by the rules of a verdict.
(data (i32.const 2048) "\00\10\00\00\06\00\00\00")
(data (i32.const 4096) "\04\00\00\00\00\00")
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 2048))
