// a process pool runs a function or a lambda without captures
#include <polyio/exec/process_pool.hpp>

void captured(polyio::ProcessPoolExecutor& pool, int factor) {
  (void)pool.submit([factor](int n) { return n * factor; }, 2);
}
