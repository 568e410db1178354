;; Two tables. Stopped when it is compiled: a module has one.
(table 1 funcref)
(table 1 funcref)
