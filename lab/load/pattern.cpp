#include "pattern.hpp"

#include <random>

namespace polyio::lab {

Pattern::Pattern() : sent_(period + max_slice), answer_(period + max_slice) {
  std::mt19937 random(7);  // NOLINT: the same bytes in every run
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    // Half small letters, half any byte at all.
    const unsigned drawn = static_cast<unsigned>(random());
    const auto any = static_cast<char>(drawn >> 8);
    const auto letter = static_cast<char>('a' + (drawn >> 8) % 26);
    sent_[i] = i < period ? ((drawn & 1) != 0 ? letter : any) : sent_[i - period];
    const bool small = sent_[i] >= 'a' && sent_[i] <= 'z';
    answer_[i] = small ? static_cast<char>(sent_[i] - 'a' + 'A') : sent_[i];
  }
}

}  // namespace polyio::lab
