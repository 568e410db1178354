;; The verdict has an effect with all bits set. Stopped by the bounds of an answer.
(data (i32.const 2048) "\ff\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const 2048))
