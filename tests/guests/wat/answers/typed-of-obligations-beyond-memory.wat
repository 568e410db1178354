;; The obligations lie beyond memory. Stopped by the bounds of an answer.
(data (i32.const 2048) "\01\00\00\00\00\00\00\00\00\00\00\00\fc\ff\01\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const 2048))
