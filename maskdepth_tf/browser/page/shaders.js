// GLSL of the painter. Pictures have their first row at v = 0.

export const VERTEX = `#version 300 es
in vec2 place;
out vec2 uv;
uniform float upright; // -1 to the screen, whose first row is below; 1 to a texture
void main() {
  uv = vec2(place.x, upright * place.y) * 0.5 + 0.5;
  gl_Position = vec4(place, 0.0, 1.0);
}`;

/** The foreground cut out: its own colours, its mask as alpha. `inference/matting.py`. */
export function cutShader(matting) {
  const [first, last] = matting.layers;
  const units = first[1].length;
  return `#version 300 es
precision highp float;
in vec2 uv;
out vec4 colour;
uniform sampler2D frame, background, cells, near;
uniform vec2 size;
uniform mat3 warp;
uniform vec4 curves[3];
uniform float gain[5];
uniform vec4 hidden[${3 * units}];
uniform float shown[${units}];
const float bias = ${float(last[1][0])};
const float leastLogit = ${float(matting.LEAST_LOGIT)};

float logit(float p) {
  p = clamp(p, leastLogit, 1.0 - leastLogit);
  return log(p / (1.0 - p));
}
vec3 logits(vec4 cell) { return vec3(logit(cell.x), logit(cell.y), logit(cell.z)); }

// The background as the picture would show it.
vec3 behind(vec3 picture) {
  vec2 place = uv - 0.5;
  vec3 there = warp * vec3(place, 1.0);
  vec2 moved = there.xy / there.z;
  if (max(abs(moved.x), abs(moved.y)) > 0.5) return picture;
  vec3 pixels = texture(background, moved + 0.5).rgb;
  float x = 2.0 * place.x, y = 2.0 * place.y;
  float field = 1.0 + gain[0] * x + gain[1] * y + gain[2] * x * x + gain[3] * x * y
    + gain[4] * y * y;
  vec3 lit;
  for (int c = 0; c < 3; c++) {
    float tone = pixels[c];
    lit[c] = dot(curves[c], vec4(1.0, sqrt(tone), tone, tone * tone));
  }
  lit = 255.0 * clamp(lit * field, 0.0, 1.0);
  pixels *= 255.0;
  // What is clipped has lost how far it went.
  vec3 bright = step(250.0, pixels) * step(lit, picture);
  vec3 dark = step(pixels, vec3(5.0)) * step(picture, lit);
  return mix(lit, picture, max(bright, dark));
}

void main() {
  vec3 picture = 255.0 * texture(frame, uv).rgb;
  vec2 side = vec2(textureSize(cells, 0));
  ivec2 most = ivec2(side) - 1;
  vec2 moved = clamp(uv * side - 0.5, vec2(0.0), side - 1.0);
  ivec2 corner = min(ivec2(moved), most - 1);
  vec2 share = moved - vec2(corner);
  vec4 a = texelFetch(cells, corner, 0);
  vec4 b = texelFetch(cells, corner + ivec2(1, 0), 0);
  vec4 c = texelFetch(cells, corner + ivec2(0, 1), 0);
  vec4 d = texelFetch(cells, corner + ivec2(1, 1), 0);
  if (texelFetch(cells, min(ivec2(uv * side), most), 0).w == 0.0) {
    float mask = mix(mix(a.x, b.x, share.x), mix(c.x, d.x, share.x), share.y);
    colour = vec4(picture / 255.0, mask);
    return;
  }
  vec3 l = mix(mix(logits(a), logits(b), share.x), mix(logits(c), logits(d), share.x),
               share.y);
  vec4 front = mix(
    mix(texelFetch(near, corner, 0), texelFetch(near, corner + ivec2(1, 0), 0), share.x),
    mix(texelFetch(near, corner + ivec2(0, 1), 0), texelFetch(near, corner + ivec2(1, 1), 0),
        share.x), share.y);
  vec3 back = behind(picture);
  vec3 across = front.rgb - back, change = picture - back;
  float part = clamp(dot(across, change) / (dot(across, across) + 1.0), -1.0, 2.0);
  float tone = log((dot(picture, vec3(1.0 / 3.0)) + 8.0)
    / (dot(back, vec3(1.0 / 3.0)) + 8.0));
  float enlarged = log(size.x * size.y / (side.x * side.y)) / 2.0;
  vec4 one = vec4(l / 4.0, log(1.0 + length(change)) - 3.0);
  vec4 two = vec4(
    log(1.0 + length(picture - front.rgb)) - 3.0,
    log(1.0 + sqrt(max(front.a, 0.0))) - 3.0,
    log(1.0 + length(across)) - 3.0,
    log(1.0 + length(change - part * across)) - 3.0);
  vec4 three = vec4(part, tone, enlarged - 1.0, 1.0);
  float alpha = bias;
  for (int i = 0; i < ${units}; i++) {
    float unit = dot(hidden[3 * i], one) + dot(hidden[3 * i + 1], two)
      + dot(hidden[3 * i + 2], three);
    alpha += shown[i] * max(unit, 0.0);
  }
  alpha = 1.0 / (1.0 + exp(-alpha));
  vec3 own = picture - (1.0 - alpha) * back;
  own = alpha > 0.1 ? own / alpha : front.rgb;
  colour = vec4(clamp(own / 255.0, 0.0, 1.0), alpha);
}`;
}

export const VIEW = `#version 300 es
precision highp float;
in vec2 uv;
out vec4 colour;
uniform sampler2D frame, cut, backdrop, depth, palette;
uniform int view; // 0 frame, 1 overlay, 2 cut-out, 3 depth
uniform vec3 tint;
uniform vec4 plain; // colour behind a cut-out; its alpha 0: the backdrop
uniform float checked; // side of a chequerboard's squares in pixels, 0: none
uniform vec2 size;
void main() {
  vec3 picture = texture(frame, uv).rgb;
  vec4 front = texture(cut, uv);
  if (view == 1) {
    vec2 step = 1.0 / size;
    float around = 0.25 * (texture(cut, uv + vec2(step.x, 0.0)).a
      + texture(cut, uv - vec2(step.x, 0.0)).a + texture(cut, uv + vec2(0.0, step.y)).a
      + texture(cut, uv - vec2(0.0, step.y)).a);
    float line = 4.0 * around * (1.0 - around);
    float grey = dot(picture, vec3(0.299, 0.587, 0.114));
    vec3 dim = mix(picture, vec3(grey), 0.75) * 0.62;
    vec3 lit = mix(picture, tint, 0.38);
    picture = mix(mix(dim, lit, front.a), mix(tint, vec3(1.0), 0.55), smoothstep(0.35, 1.0, line));
  } else if (view == 2) {
    vec3 back = mix(texture(backdrop, uv).rgb, plain.rgb, plain.a);
    if (checked > 0.0) {
      vec2 square = floor(uv * size / checked);
      back = vec3(mod(square.x + square.y, 2.0) < 1.0 ? 0.86 : 0.98);
    }
    picture = mix(back, front.rgb, front.a);
  } else if (view == 3) {
    vec2 side = vec2(textureSize(depth, 0));
    vec2 moved = clamp(uv * side - 0.5, vec2(0.0), side - 1.0);
    ivec2 corner = min(ivec2(moved), ivec2(side) - 2);
    vec2 share = moved - vec2(corner);
    float far = mix(
      mix(texelFetch(depth, corner, 0).r, texelFetch(depth, corner + ivec2(1, 0), 0).r,
          share.x),
      mix(texelFetch(depth, corner + ivec2(0, 1), 0).r,
          texelFetch(depth, corner + ivec2(1, 1), 0).r, share.x), share.y);
    picture = texture(palette, vec2(clamp(far, 0.002, 0.998), 0.5)).rgb;
  }
  colour = vec4(picture, 1.0);
}`;

export const RELIEF_VERTEX = `#version 300 es
uniform sampler2D depth;
uniform mat4 camera;
uniform vec2 fit;
uniform float aspect, strength, distant;
out vec2 uv;
out float torn;
float at(ivec2 cell) {
  float own = texelFetch(depth, clamp(cell, ivec2(0), textureSize(depth, 0) - 1), 0).r;
  return fit.x * own + fit.y;
}
void main() {
  int side = textureSize(depth, 0).x;
  ivec2 cell = ivec2(gl_VertexID % side, gl_VertexID / side);
  uv = (vec2(cell) + 0.5) / float(side);
  float far = at(cell);
  // Steep steps are edges between things: what would close them was never seen.
  torn = max(abs(at(cell + ivec2(1, 0)) - at(cell - ivec2(1, 0))),
             abs(at(cell + ivec2(0, 1)) - at(cell - ivec2(0, 1))));
  // Along the rays of the camera: seen from where that was, it is the picture.
  float away = strength * (far - 0.5);
  vec2 place = (uv - 0.5) * vec2(2.0 * aspect, -2.0) * (1.0 + away);
  gl_Position = camera * vec4(place, -distant * away, 1.0);
}`;

export const RELIEF = `#version 300 es
precision highp float;
in vec2 uv;
in float torn;
out vec4 colour;
uniform sampler2D colours, cut;
uniform float least; // masks below it are not drawn
uniform float steep;
void main() {
  if (texture(cut, uv).a < least) discard;
  if (torn > steep) discard;
  colour = vec4(texture(colours, uv).rgb, 1.0);
}`;

function float(value) {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
