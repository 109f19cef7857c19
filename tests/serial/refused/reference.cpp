// polyio: a reference can't be sent to another process
#include <polyio/serial/serial.hpp>

int main() { return polyio::serial::from_bytes<int&>({}).has_value(); }
