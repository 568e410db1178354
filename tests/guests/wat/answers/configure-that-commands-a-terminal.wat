;; `configure` answers with an error that commands a terminal. Stopped when it is loaded, and made printable.
(data (i32.const 2048) "\01\00\00\00\10\08\00\00\01\00\00\00")
(data (i32.const 2064) "\00\10\00\00\0a\00\00\00\00\10\00\00\0a\00\00\00")
(data (i32.const 4096) "\1b[2J\0a\e2\80\aea\09")
(func $configure (param i32 i32) (result i32) (i32.const 2048))
