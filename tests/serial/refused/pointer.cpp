// polyio: a pointer can't be sent to another process
#include <polyio/serial/serial.hpp>

int main() {
  const char* text = "text";
  return polyio::serial::to_bytes(text).empty();
}
