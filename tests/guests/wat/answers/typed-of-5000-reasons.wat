;; The verdict has 5000 empty reasons, which are more than `output-bytes`.
(data (i32.const 2048) "\01\00\00\00\00\10\00\00\88\13\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const 2048))
