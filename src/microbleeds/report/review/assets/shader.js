// The fragment shader of a slice, put in NiiVue's place: it takes the volume's channels apart (red: SWI, green: phase,
// blue: brain and its core), sets the window, projects the slab, and draws rings and crosshair in lines of one pixel.

const MOST_RINGS = 64;

const SHADER = `#version 300 es
precision highp int;
precision highp float;
uniform highp sampler3D volume;
uniform int axCorSag;
uniform int channel;
uniform vec4 windows;
uniform vec3 spanMm;
uniform float slabMm;
uniform vec3 cross;
uniform float crossGapMm;
uniform float pixel;
uniform int ringCount;
uniform vec4 rings[${MOST_RINGS}];
uniform vec4 ringColours[${MOST_RINGS}];
in vec3 texPos;
out vec4 color;

// Slices are those that were scanned; only within the plane is the image interpolated.
vec3 onSlice(vec3 p, int axis) {
  float n = float(textureSize(volume, 0)[axis]);
  p[axis] = (floor(clamp(p[axis], 0.0, 0.999999) * n) + 0.5) / n;
  return p;
}

// Minimum over the brain of a slab, as in report/planes.py: the slice on view takes part with all
// of its brain, the others with its core; beside its brain the picture fades where less than half of the slab takes part.
float darkest(vec3 p, int axis) {
  ivec3 size = textureSize(volume, 0);
  float n = float(size[axis]);
  int reach = max(0, int(floor((slabMm * n / spanMm[axis] - 1.0) / 2.0 + 0.5)));
  float best = 2.0;
  float taking = 0.0;
  float all = 0.0;
  for (int k = -reach; k <= reach; k++) {
    vec3 q = p;
    q[axis] += float(k) / n;
    if (q[axis] < 0.0 || q[axis] > 1.0) continue;
    all += 1.0;
    vec4 v = texture(volume, q);
    // Between core and edge the value is partly that of the dark edge: there the voxel stands for itself.
    if (k != 0 && v.b < 0.99) v = texelFetch(volume, min(ivec3(q * vec3(size)), size - 1), 0);
    if (v.b < (k == 0 ? 0.25 : 0.75)) continue;
    best = min(best, v.r);
    taking += 1.0;
  }
  if (taking == 0.0) return 0.0;
  return texture(volume, p).b < 0.25 ? best * min(1.0, 2.0 * taking / all) : best;
}

float scaled(float value, vec2 window) {
  return clamp((value - window.x) / max(window.y - window.x, 0.001), 0.0, 1.0);
}

void main() {
  int axis = axCorSag == 0 ? 2 : axCorSag == 1 ? 1 : 0;
  vec3 p = onSlice(texPos, axis);
  float grey;
  float halfMm = 0.5 * spanMm[axis] / float(textureSize(volume, 0)[axis]);
  if (channel == 0) grey = scaled(texture(volume, p).r, windows.xy);
  else if (channel == 1) grey = scaled(texture(volume, p).g, windows.zw);
  else {
    grey = scaled(darkest(p, axis), windows.xy);
    halfMm = max(halfMm, 0.5 * slabMm);
  }
  vec3 rgb = vec3(grey);
  vec3 mm = texPos * spanMm;
  vec3 step = fwidth(mm);
  float pixelMm = max(max(step.x, step.y), step.z) * pixel;
  for (int n = 0; n < ringCount; n++) {
    vec3 away = mm - rings[n].xyz * spanMm;
    if (abs(p[axis] - rings[n][axis]) * spanMm[axis] > max(halfMm, rings[n].w - 3.0)) continue;
    away[axis] = 0.0;
    float line = abs(length(away) - rings[n].w) / pixelMm;
    rgb = mix(rgb, ringColours[n].rgb, ringColours[n].a * (1.0 - smoothstep(0.5, 1.4, line)));
  }
  if (crossGapMm >= 0.0) {
    vec3 away = abs(mm - cross * spanMm);
    away[axis] = 0.0;
    int a = axis == 0 ? 1 : 0;
    int b = axis == 2 ? 1 : 2;
    float line = 9.0;
    if (away[b] > crossGapMm) line = away[a] / pixelMm;
    if (away[a] > crossGapMm) line = min(line, away[b] / pixelMm);
    rgb = mix(rgb, vec3(0.36, 0.75, 0.93), 0.55 * (1.0 - smoothstep(0.3, 1.0, line)));
  }
  color = vec4(rgb, 1.0);
}`;
