;; The verdict has an effect that does not exist. Stopped by the bounds of an answer.
(data (i32.const 2048) "\04\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const 2048))
