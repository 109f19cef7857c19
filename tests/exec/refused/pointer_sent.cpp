// a pointer can't be sent to another process
#include <polyio/exec/process_pool.hpp>

void pointer_sent(polyio::ProcessPoolExecutor& pool, int* number) {
  (void)pool.submit([](int* n) { return *n; }, number);
}
