export { type Gateway, type GatewayDeps, openGateway } from './service.ts';
