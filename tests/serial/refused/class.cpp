// polyio: this type can't be sent to another process: give it a default
#include <polyio/serial/serial.hpp>
#include <vector>

struct Point {
  int x = 0, y = 0;
};

int main() { return polyio::serial::to_bytes(std::vector<Point>()).empty(); }
