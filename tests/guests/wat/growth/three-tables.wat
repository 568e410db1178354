;; Three tables. Stopped by the limit of two.
(table 1 funcref)
(table 1 funcref)
(table 1 funcref)
