;; A constraint has an operator that does not exist. Stopped by the bounds of an answer.
(data (i32.const 2048) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\10\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(data (i32.const 4096) "\00\00\00\00\00\00\00\00\0a\00\00\00\00\00\00\00\00\00\00\00")
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const 2048))
