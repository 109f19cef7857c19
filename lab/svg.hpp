// Pieces of SVG files. Text stays text in them, with what XML reserves escaped.
#pragma once

#include <string>
#include <string_view>

namespace polyio::lab::svg {

std::string escaped(std::string_view words);
// `more`: further attributes.
std::string text(double x, double y, std::string_view words, std::string_view more = {});
// A whole file: `body` on a white ground.
std::string document(int width, int height, std::string_view title, std::string_view body);

}  // namespace polyio::lab::svg
