;; The answer is at the last address of 32 bits. Stopped by the bounds of an answer.
(func $evaluate-typed (param $request i32) (result i32)
  (i32.const -4))
