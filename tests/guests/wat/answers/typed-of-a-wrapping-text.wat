;; Address and length of a text sum to more than 2^32. Stopped by the bounds of an answer.
(data (i32.const 2048) "\01\00\00\00\00\10\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(data (i32.const 4096) "\fe\ff\ff\ff\10\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const 2048))
