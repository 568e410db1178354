;; The answer is at the last address of 32 bits. Stopped by the bounds of an answer.
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const -4))
