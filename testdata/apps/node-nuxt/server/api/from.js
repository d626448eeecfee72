export default defineEventHandler(() => 'nuxt')
