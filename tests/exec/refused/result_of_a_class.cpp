// this type can't be sent to another process: give it a default constructor and a serialize
#include <polyio/exec/process_pool.hpp>

struct Plain {
  int number = 0;
};

void result_of_a_class(polyio::ProcessPoolExecutor& pool) {
  (void)pool.submit([] { return Plain(); });
}
