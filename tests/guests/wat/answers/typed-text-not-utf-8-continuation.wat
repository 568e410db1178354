;; The message of a reason is not UTF-8 (continuation). Stopped by the bounds of an answer.
(data (i32.const 2048) "\01\00\00\00\00\10\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(data (i32.const 4096) "\88\13\00\00\01\00\00\00\89\13\00\00\01\00\00\00\00\00\00\00\00\00\00\00")
(data (i32.const 5000) "a\80")
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const 2048))
